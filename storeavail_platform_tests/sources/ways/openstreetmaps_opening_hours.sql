INSERT INTO shops VALUES
  (1, 'Corner', 'City', 'Chain', NULL, 'Mo-Fr 10:00-22:00; Sa,Su 12:00-02:00'),
  (2, 'Night', 'City', 'Chain', E' america/new_york\n', '18:00-27:00; PH off'),
  (3, 'Siesta', 'City', 'Chain', 'Asia/Tokyo', 'Sa-Fr 08:07-12:00, 14:00-18:30;Su off; '),
  (4, 'Always', NULL, 'Chain', 'UTC', '24/7'),
  (5, 'Without', 'City', 'Chain', '', ' '),
  (7, 'Sundays off', 'City', 'Chain', NULL,
    'Mo - Su,PH 10:00-22:00; Sa 12:00-02:00; PH,Su closed; SH,PH 08:00-09:00'),
  (9, 'Bad', 'City', 'Chain', NULL, 'Mo-Su 10:00-22:00; Sa sunrise-sunset'),
  (91, 'Comment', 'City', 'Chain', NULL, 'Mo-Fr 10:00-22:00 "by appointment"'),
  (92, 'Months', 'City', 'Chain', NULL, 'Apr-Oct Mo-Fr 10:00-22:00'),
  (93, 'Two rules', 'City', 'Chain', NULL, 'Mo-Fr 10:00-12:00, We 14:00-18:00'),
  (94, 'Within a holiday rule', 'City', 'Chain', NULL, '24/7; PH 10:00-14:00, Sa 12:00-13:00'),
  (95, 'Open end', 'City', 'Chain', NULL, 'Mo-Su 18:00+');
