// Loaded into the Prisma CLI by `npm run studio`. Studio asks the database for its tables with JSON_ARRAYAGG and
// expects a list; MySQL's driver gives one, but MariaDB's JSON is text, and Studio 0.33 fails on it ("sort is not a
// function", prisma/studio#1367). Here that one column of that one query is read as the list it is.
// To be dropped when the CLI brings a Studio with that mended (prisma/studio#1547).
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const mysql = require('mysql2/promise')
const { createPool } = mysql

mysql.createPool = (options) => {
  const settings = typeof options === 'string' ? { uri: options } : options
  return createPool({
    ...settings,
    typeCast: (field, next) => {
      if (field.name !== 'columns' || field.type === 'JSON') return next()
      const text = field.string()
      return text?.startsWith('[') ? JSON.parse(text) : text
    }
  })
}
