INSERT INTO shops VALUES
  (1, 'Corner', 'City', 'Chain', NULL, '{"periods": [
    {"open": {"day": 1, "time": "1000"}, "close": {"day": 1, "time": "2200"}},
    {"open": {"day": 2, "time": "1000"}, "close": {"day": 2, "time": "2200"}},
    {"open": {"day": 3, "time": "1000"}, "close": {"day": 3, "time": "2200"}},
    {"open": {"day": 4, "time": "1000"}, "close": {"day": 4, "time": "2200"}},
    {"open": {"day": 5, "time": "1000"}, "close": {"day": 5, "time": "2200"}},
    {"open": {"day": 6, "time": "1200"}, "close": {"day": 0, "time": "0200"}},
    {"open": {"day": 0, "time": "1200"}, "close": {"day": 1, "time": "0200"}}]}'),
  (2, 'Night', 'City', 'Chain', E' america/new_york\n', '{"periods": [
    {"open": {"day": 0, "hour": 18}, "close": {"day": 1, "hour": 3, "minute": 0}},
    {"open": {"day": 1, "hour": 18}, "close": {"day": 2, "hour": 3, "minute": 0}},
    {"open": {"day": 2, "hour": 18}, "close": {"day": 3, "hour": 3, "minute": 0}},
    {"open": {"day": 3, "hour": 18}, "close": {"day": 4, "hour": 3, "minute": 0}},
    {"open": {"day": 4, "hour": 18}, "close": {"day": 5, "hour": 3, "minute": 0}},
    {"open": {"day": 5, "hour": 18}, "close": {"day": 6, "hour": 3, "minute": 0}},
    {"open": {"day": 6, "hour": 18}, "close": {"day": 0, "hour": 3, "minute": 0}}]}'),
  (4, 'Always', NULL, 'Chain', 'UTC', '{"periods": [{"open": {"day": 0, "time": "0000"}}]}'),
  (5, 'Without', 'City', 'Chain', '', NULL),
  -- from Friday 18:00 to Sunday 15:00
  (6, 'Weekend', 'City', 'Chain', '  ',
    '{"periods": [{"open": {"day": 5, "time": "1800"}, "close": {"day": 0, "time": "1500"}}]}'),
  (9, 'Bad', 'City', 'Chain', NULL,
    '{"periods": [{"open": {"day": 1, "time": "10h"}, "close": {"day": 1, "time": "2200"}}]}');
