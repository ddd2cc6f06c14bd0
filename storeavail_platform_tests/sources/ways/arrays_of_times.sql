INSERT INTO shops VALUES
  (1, 'Corner', 'City', 'Chain', NULL), (2, 'Night', 'City', 'Chain', E' america/new_york\n'),
  (3, 'Siesta', 'City', 'Chain', 'Asia/Tokyo'), (4, 'Always', NULL, 'Chain', 'UTC'),
  (5, 'Without', 'City', 'Chain', ''), (9, 'Bad', 'City', 'Chain', NULL);
INSERT INTO shop_hours SELECT 1, d, '{10:00}', '{22:00}' FROM generate_series(1, 5) d;
INSERT INTO shop_hours SELECT 1, d, '{12:00}', '{02:00}' FROM generate_series(6, 7) d;
INSERT INTO shop_hours SELECT 2, d, '{18:00}', '{03:00}' FROM generate_series(1, 7) d;
INSERT INTO shop_hours SELECT 3, d, '{08:07,14:00}', '{12:00,18:30}' FROM generate_series(1, 6) d;
INSERT INTO shop_hours VALUES (3, 7, '{}', '{}');
INSERT INTO shop_hours SELECT 4, d, '{00:00}', '{24:00}' FROM generate_series(1, 7) d;
INSERT INTO shop_hours SELECT 9, d, '{08:00,14:00}', '{12:00}' FROM generate_series(1, 7) d;
