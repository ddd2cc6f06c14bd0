INSERT INTO chains VALUES (1, 'Chain');
INSERT INTO shops VALUES
  (1, 'Corner', 'City', 1, NULL), (2, 'Night', 'City', 1, E' america/new_york\n'),
  (3, 'Siesta', 'City', 1, 'Asia/Tokyo'), (4, 'Always', NULL, 7, 'UTC'),
  (5, 'Without', 'City', NULL, ''), (9, 'Bad', 'City', 1, NULL), (10, 'Bad', 'City', 1, NULL);
INSERT INTO shops VALUES (6, 'Closed for good', 'City', 1, NULL, '2025-01-01');
INSERT INTO shop_hours SELECT 1, d, '10:00', '22:00' FROM generate_series(1, 5) d;
INSERT INTO shop_hours SELECT 1, d, '12:00', '02:00' FROM unnest('{0,6}'::int[]) d;
INSERT INTO shop_hours SELECT 2, d, '18:00', '03:00' FROM generate_series(0, 6) d;
INSERT INTO shop_hours SELECT 3, d, '08:07', '12:00' FROM generate_series(1, 6) d;
INSERT INTO shop_hours SELECT 3, d, '14:00', '18:30' FROM generate_series(1, 6) d;
INSERT INTO shop_hours SELECT i, d, '00:00', '24:00' FROM unnest('{4,6}'::int[]) i, generate_series(0, 6) d;
INSERT INTO shop_hours VALUES (9, NULL, '08:00', '09:00');
INSERT INTO shop_hours SELECT 10, d, '08:00', NULL FROM generate_series(0, 6) d;
