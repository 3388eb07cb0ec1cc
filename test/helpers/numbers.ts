/** Rows of the numbers from 1 on, to select from. */
export const numbers = (count: number) => `(
  WITH d AS (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6
    UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)
  SELECT 1 + a.n + 10 * b.n + 100 * c.n + 1000 * e.n + 10000 * f.n AS n
  FROM d a, d b, d c, d e, d f HAVING n <= ${count}) AS numbers`
