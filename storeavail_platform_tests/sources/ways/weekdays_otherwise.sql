INSERT INTO shops VALUES
  (1, 'Corner', 'City', 'Chain', NULL), (2, 'Night', 'City', 'Chain', E' america/new_york\n'),
  (3, 'Siesta', 'City', 'Chain', 'Asia/Tokyo'), (4, 'Always', NULL, 'Chain', 'UTC'),
  (5, 'Without', 'City', 'Chain', ''), (9, 'Bad', 'City', 'Chain', NULL);
INSERT INTO shop_hours
  SELECT 1, d, '10:00', '22:00' FROM unnest('{Monday,TUESDAY," wed ",Thursday,fri}'::text[]) d;
INSERT INTO shop_hours SELECT 1, d, '12:00', '02:00' FROM unnest('{Saturday,Sun}'::text[]) d;
INSERT INTO shop_hours
  SELECT 2, d, '18:00', '03:00' FROM unnest('{Mon,Tue,Wed,Thu,Fri,Sat,Sun}'::text[]) d;
INSERT INTO shop_hours
  SELECT 3, d, '08:07', '12:00' FROM unnest('{Mon,Tue,Wed,Thu,Fri,Sat}'::text[]) d;
INSERT INTO shop_hours
  SELECT 3, d, '14:00', '18:30' FROM unnest('{Mon,Tue,Wed,Thu,Fri,Sat}'::text[]) d;
INSERT INTO shop_hours
  SELECT 4, d, '00:00', '24:00' FROM unnest('{Mon,Tue,Wed,Thu,Fri,Sat,Sun}'::text[]) d;
INSERT INTO shop_hours VALUES (9, 'Someday', '08:00', '22:00');
