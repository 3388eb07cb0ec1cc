import type { Static } from '@sinclair/typebox'
import { examples as user } from '../user/examples.js'
import type { AdminLogin, Login, SentCode, TokenCheck, Tokens } from './schemas.js'

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
const tokenCheck: Static<typeof TokenCheck> = { valid: true, user_info: user.info }

/** What the documentation shows of each answer. */
export const examples = { tokens, sentCode, login, adminLogin, tokenCheck }
