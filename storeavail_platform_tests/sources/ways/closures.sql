INSERT INTO shops VALUES
  (1, 'Corner', 'City', 'Chain', NULL), (2, 'Night', 'City', 'Chain', E' america/new_york\n'),
  (3, 'Siesta', 'City', 'Chain', 'Asia/Tokyo'), (4, 'Always', NULL, 'Chain', 'UTC'),
  (5, 'Without', 'City', 'Chain', ''), (9, 'Bad', 'City', 'Chain', NULL);
INSERT INTO shop_hours SELECT 1, d, '10:00', '22:00' FROM generate_series(1, 5) d;
INSERT INTO shop_hours SELECT 1, d, '12:00', '02:00' FROM generate_series(6, 7) d;
INSERT INTO shop_hours SELECT 2, d, '18:00', '03:00' FROM generate_series(1, 7) d;
INSERT INTO shop_hours SELECT 3, d, '08:07', '12:00' FROM generate_series(1, 6) d;
INSERT INTO shop_hours SELECT 3, d, '14:00', '18:30' FROM generate_series(1, 6) d;
INSERT INTO shop_hours SELECT 4, d, '00:00', '24:00' FROM generate_series(1, 7) d;
INSERT INTO shop_hours VALUES (9, 0, '08:00', '22:00');
INSERT INTO shop_closures VALUES
  (1, '[2026-11-22 04:50+00,2026-11-22 12:00+00)'), (1, '[2026-11-22 04:52+00,2026-11-22 04:55+00)'),
  (1, '[2026-12-25 10:00-03,)'), (2, '[2026-11-01 06:33+00,2026-11-01 06:40+00)'),
  (3, '[2026-11-22 23:10+00,2026-11-22 23:12+00)'), (4, 'empty'), (4, NULL),
  (9, '[2026-01-01 00:00+00,2028-01-01 00:00+00)'), (NULL, '(,)');
