import type { Static } from '@sinclair/typebox'
import { examples as user } from '../user/examples.js'
import type {
  AdminLogin,
  ConsoleEntry,
  ConsoleLogin,
  Login,
  LoginLogs,
  SentCode,
  TokenCheck,
  Tokens
} from './schemas.js'

const tokens: Tokens = {
  access_token: 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…',
  refresh_token: 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…',
  expires_in: 7200
}
const sentCode: SentCode = { expires_in: 300, code_hint: '123456' }
const login: Static<typeof Login> = { ...tokens, is_new_user: true, user_info: { ...user.info, total_points: 1000 } }
const adminLogin: Static<typeof AdminLogin> = {
  ...tokens,
  is_new_user: false,
  user_info: { ...user.info, is_merchant: true },
  admin_info: { admin_id: 1, username: 'manager', role: 'admin' }
}
const consoleEntry: ConsoleEntry = { access_token: tokens.access_token, expires_in: 7200 }
const consoleLogin: Static<typeof ConsoleLogin> = {
  ...consoleEntry,
  user_info: { ...user.info, is_merchant: true },
  admin_info: null
}
const tokenCheck: Static<typeof TokenCheck> = { valid: true, user_info: user.info }

const loginLogs: Static<typeof LoginLogs> = {
  logs: [
    {
      id: 1,
      method: 'sms',
      account: '138****5678',
      user_id: null,
      success: false,
      error: 'CODE_INVALID',
      ip: '203.0.113.7',
      user_agent: 'MicroMessenger/8.0',
      created_at: new Date('2026-11-22T12:00:00.000Z')
    }
  ],
  pagination: { total: 1, page: 1, limit: 20, total_pages: 1 },
  next_cursor: null
}

/** What the documentation shows of each answer. */
export const examples = { tokens, sentCode, login, adminLogin, consoleLogin, consoleEntry, tokenCheck, loginLogs }
