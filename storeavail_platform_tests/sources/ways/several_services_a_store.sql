INSERT INTO shops VALUES
  (1, 'Corner', 'City', 'Chain', NULL), (2, 'Night', 'City', 'Chain', E' america/new_york\n'),
  (3, 'Siesta', 'City', 'Chain', 'Asia/Tokyo'), (4, 'Always', NULL, 'Chain', 'UTC'),
  (5, 'Without', 'City', 'Chain', ''), (9, 'Bad', 'City', 'Chain', NULL);
INSERT INTO shops VALUES (7, 'Other service', 'City', 'Chain', NULL);
INSERT INTO shop_services SELECT i, s FROM generate_series(1, 9) i, unnest('{delivery,pickup}'::text[]) s WHERE i <> 7;
INSERT INTO shop_services VALUES (7, 'dine-in');
INSERT INTO shop_hours SELECT 1, 'delivery', d, '10:00', '22:00' FROM generate_series(1, 5) d;
INSERT INTO shop_hours SELECT 1, 'delivery', d, '12:00', '02:00' FROM generate_series(6, 7) d;
INSERT INTO shop_hours SELECT 1, 'pickup', d, '12:05', '13:00' FROM generate_series(1, 7) d;
INSERT INTO shop_hours SELECT 2, 'delivery', d, '18:00', '03:00' FROM generate_series(1, 7) d;
INSERT INTO shop_hours SELECT 2, 'pickup', d, '18:00', '03:00' FROM generate_series(1, 7) d;
INSERT INTO shop_hours SELECT 3, s, d, '08:07', '12:00' FROM unnest('{delivery,pickup}'::text[]) s, generate_series(1, 6) d;
INSERT INTO shop_hours SELECT 3, s, d, '14:00', '18:30' FROM unnest('{delivery,pickup}'::text[]) s, generate_series(1, 6) d;
INSERT INTO shop_hours SELECT 4, s, d, '00:00', '24:00' FROM unnest('{delivery,pickup}'::text[]) s, generate_series(1, 7) d;
INSERT INTO shop_hours VALUES
  (9, 'delivery', NULL, '08:00', '22:00'), (9, 'pickup', NULL, '08:00', '22:00'),
  (5, 'dine-in', 1, '08:00', '22:00'), (7, 'dine-in', 1, '08:00', '22:00');
