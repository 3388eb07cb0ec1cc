import { parseArgs } from 'node:util'
import { Value } from '@sinclair/typebox/value'
import bcrypt from 'bcrypt'
import { BCRYPT_COST, createAdmin } from '../src/domains/auth/admin-login.js'
import { AdminLoginBody, Mobile } from '../src/domains/auth/schemas.js'
import { openDatabase } from './lib/database.js'
import { Fault, guarded, say } from './lib/print.js'
import { scriptWork, withPrisma } from './lib/prisma.js'
import { readSettings } from './lib/settings.js'
import { bringUpToDate } from './migrate.js'

const USAGE = 'npm run admin:create -- --username NAME --password PASS --mobile MOBILE'
const MIN_PASSWORD = 8

/** `npm run admin:create`: makes an admin, tied to the account of that mobile, which becomes a merchant's. */
export async function main(args: string[]): Promise<void> {
  await guarded(async () => {
    const { username, password, mobile } = readArguments(args)
    const config = readSettings()
    const database = await openDatabase(config)
    try {
      await bringUpToDate(database.url, config)
      const passwordHash = await bcrypt.hash(password, BCRYPT_COST)
      const admin = await withPrisma(database.url, (db) =>
        db.$transaction(async (tx) => {
          if ((await tx.adminUser.count({ where: { username } })) > 0) {
            throw new Fault(`There is an admin named ${username} already.`)
          }
          if ((await tx.adminUser.count({ where: { user: { mobile } } })) > 0) {
            throw new Fault('That mobile belongs to another admin already.')
          }
          const newUserPoints = config.NEW_USER_POINTS
          return scriptWork(tx, (uow) => createAdmin(uow, { username, passwordHash, mobile, newUserPoints }))
        })
      )
      say(
        `made the admin ${username} (admin ${admin.adminId}, user ${admin.userId}); log in at ` +
          'POST /api/auth/admin-login'
      )
    } finally {
      await database.close()
    }
    return 0
  })
}

function readArguments(args: string[]): { username: string; password: string; mobile: string } {
  const text = { type: 'string' } as const
  const { values } = parse(() => parseArgs({ args, options: { username: text, password: text, mobile: text } }))
  const { username = '', password = '', mobile = '' } = values
  const faults = [
    ...(Value.Check(AdminLoginBody.properties.username, username) ? [] : ['--username: 1 to 50 characters']),
    ...(password.length >= MIN_PASSWORD && Buffer.byteLength(password) <= 72
      ? []
      : [`--password: ${MIN_PASSWORD} to 72 bytes`]),
    ...(Value.Check(Mobile, mobile) ? [] : ['--mobile: eleven digits such as 13900000001'])
  ]
  if (faults.length > 0) throw new Fault(`${USAGE}\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
  return { username, password, mobile }
}

function parse<T>(read: () => T): T {
  try {
    return read()
  } catch (err) {
    throw new Fault(`${(err as Error).message}\n${USAGE}`)
  }
}
