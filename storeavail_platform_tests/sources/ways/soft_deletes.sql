INSERT INTO shops VALUES
  (11, '1', 'Corner', 'City', 'Chain', NULL), (12, '2', 'Night', 'City', 'Chain', E' america/new_york\n'),
  (13, '3', 'Siesta', 'City', 'Chain', 'Asia/Tokyo'), (14, '4', 'Always', NULL, 'Chain', 'UTC'),
  (15, '5', 'Without', 'City', 'Chain', ''), (19, '9', 'Bad', 'City', 'Chain', NULL);
INSERT INTO shops VALUES
  (10, '1', 'Old corner', 'City', 'Chain', 'Asia/Tokyo', '2025-01-01 00:00+00'),
  (20, '6', 'Gone', 'City', 'Chain', NULL, '2025-06-01 00:00+00'),
  (21, '6', 'Long gone', 'City', 'Chain', NULL, '2025-01-01 00:00+00');
INSERT INTO shop_hours SELECT 11, d, '10:00', '22:00' FROM generate_series(1, 5) d;
INSERT INTO shop_hours SELECT 11, d, '12:00', '02:00' FROM generate_series(6, 7) d;
INSERT INTO shop_hours SELECT 11, d, '00:00', '24:00', '2025-01-01 00:00+00' FROM generate_series(1, 9) d;
INSERT INTO shop_hours SELECT 12, d, '18:00', '03:00' FROM generate_series(1, 7) d;
INSERT INTO shop_hours SELECT 13, d, '08:07', '12:00' FROM generate_series(1, 6) d;
INSERT INTO shop_hours SELECT 13, d, '14:00', '18:30' FROM generate_series(1, 6) d;
INSERT INTO shop_hours SELECT i, d, '00:00', '24:00' FROM unnest('{14,10,20,21}'::int[]) i, generate_series(1, 7) d;
INSERT INTO shop_hours VALUES (19, 8, '08:00', '22:00');
