import { ElMessage } from 'element-plus/es/components/message/index.mjs'
import 'element-plus/es/components/message/style/css.mjs'
import { Refused } from '../../client/index.js'
import { errorWords } from '../words/errors.js'
import { language, say } from './i18n.js'
import { endIfDisabled, session } from './session.js'

/** What is refused of a session that is no more. */
const ENDED: ReadonlySet<string> = new Set(['TOKEN_INVALID', 'TOKEN_MISSING'])

/** Why something did not happen, for whoever asked for it. */
export function explain(err: unknown): string {
  if (!(err instanceof Refused)) return say('common.unanswered')
  const [detail] = Array.isArray(err.details) ? (err.details as { field?: string; message?: string }[]) : []
  const more = detail?.message === undefined ? '' : ` (${detail.field ?? ''} ${detail.message})`
  if (language() === 'zh') return `${err.message}${more}`
  return `${errorWords[err.error] ?? err.error}${more}`
}

/** What is left to be said of a fault here: whose session ended sees the login, which says why. */
export function faultOf(err: unknown): string | undefined {
  const isOver = err instanceof Refused && ENDED.has(err.error) && session.stage === 'out'
  return endIfDisabled(err) || isOver ? undefined : explain(err)
}

/** Says it at the edge of the page. */
export function complain(err: unknown): void {
  const message = faultOf(err)
  if (message !== undefined) ElMessage.error({ message, showClose: true, duration: 6000, grouping: true })
}

export function rejoice(message: string): void {
  ElMessage.success({ message, grouping: true })
}
