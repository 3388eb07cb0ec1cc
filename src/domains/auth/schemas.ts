import { type Static, Type } from '@sinclair/typebox'
import { READING, readMobile } from '../../shared/reading.js'
import { DateTime, Id, Nullable, Page, PageQuery, StringEnum } from '../../shared/schemas.js'
import { UserInfo } from '../user/schemas.js'

/** Its pattern has a refusal of its own, MOBILE_INVALID: see the error handler. */
export const Mobile = Type.String({
  pattern: '^1[3-9]\\d{9}$',
  maxLength: 11,
  description: 'full-width digits, blanks, hyphens and +86 or 86 in front are forgiven',
  [READING]: readMobile
})

export const SendCodeBody = Type.Object({ mobile: Mobile }, { examples: [{ mobile: '13812345678' }] })

export const SentCode = Type.Object({
  expires_in: Type.Integer({ description: 'seconds' }),
  code_hint: Type.Optional(Type.String({ description: 'the code itself; never in production' }))
})
export type SentCode = Static<typeof SentCode>

export const LoginBody = Type.Object(
  { mobile: Mobile, code: Type.String({ minLength: 1, maxLength: 16 }) },
  { examples: [{ mobile: '13812345678', code: '123456' }] }
)

export const Tokens = Type.Object({
  access_token: Type.String(),
  refresh_token: Type.String(),
  expires_in: Type.Integer({ description: 'seconds until the access token expires' })
})
export type Tokens = Static<typeof Tokens>

export const Login = Type.Composite([Tokens, Type.Object({ is_new_user: Type.Boolean(), user_info: UserInfo })])

export const WechatLoginBody = Type.Object(
  {
    code: Type.String({ minLength: 1, maxLength: 128, description: 'of wx.login' }),
    phone_code: Type.Optional(
      Type.String({ minLength: 1, maxLength: 128, description: 'of getPhoneNumber; a first login needs it' })
    )
  },
  { examples: [{ code: '0d3yLU000abcdefGHi100l', phone_code: 'e31968a7f94cc5ee25fafc2aef2773f0' }] }
)

export const AdminLoginBody = Type.Object(
  { username: Type.String({ minLength: 1, maxLength: 50 }), password: Type.String({ minLength: 1, maxLength: 72 }) },
  { examples: [{ username: 'manager', password: 'correct horse battery' }] }
)

export const AdminLogin = Type.Composite([
  Login,
  Type.Object({ admin_info: Type.Object({ admin_id: Id, username: Type.String(), role: Type.String() }) })
])

export const ConsoleLoginBody = Type.Object(
  {
    mobile: Type.Optional(Mobile),
    code: Type.Optional(LoginBody.properties.code),
    username: Type.Optional(AdminLoginBody.properties.username),
    password: Type.Optional(AdminLoginBody.properties.password)
  },
  {
    examples: [
      { mobile: '13900000001', code: '123456' },
      { username: 'manager', password: 'correct horse battery' }
    ]
  }
)

/** Without the refresh token, which is in a cookie. */
export const ConsoleEntry = Type.Omit(Tokens, ['refresh_token'])
export type ConsoleEntry = Static<typeof ConsoleEntry>

export const ConsoleLogin = Type.Composite([
  ConsoleEntry,
  Type.Object({ user_info: UserInfo, admin_info: Nullable(AdminLogin.properties.admin_info) })
])

export const RefreshBody = Type.Object(
  { refresh_token: Type.Optional(Type.String({ maxLength: 2048, description: 'or as Bearer token' })) },
  { examples: [{ refresh_token: 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…' }] }
)

export const TokenCheck = Type.Object({ valid: Type.Boolean(), user_info: Type.Optional(UserInfo) })

const LoginMethod = StringEnum(['sms', 'wechat', 'admin'])
export type LoginMethod = Static<typeof LoginMethod>

export const LoginLogsQuery = Type.Composite([
  PageQuery,
  Type.Object({
    user_id: Type.Optional(Id),
    method: Type.Optional(LoginMethod),
    success: Type.Optional(Type.Boolean())
  })
])
export type LoginLogsQuery = Static<typeof LoginLogsQuery>

export const LoginLog = Type.Object({
  id: Type.Integer({ minimum: 1 }),
  method: LoginMethod,
  account: Type.String({ description: "a masked mobile, or an admin's name" }),
  user_id: Nullable(Id),
  success: Type.Boolean(),
  error: Nullable(Type.String({ description: 'the name of the refusal' })),
  ip: Type.String(),
  user_agent: Type.String(),
  created_at: DateTime
})
export type LoginLog = Static<typeof LoginLog>

export const LoginLogs = Page({ logs: Type.Array(LoginLog) })
