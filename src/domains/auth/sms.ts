import type { FastifyBaseLogger } from 'fastify'
import { maskMobile } from '../../shared/mask.js'

/** Who sends verification codes. */
export interface SmsProvider {
  /** @throws Error when the message was not taken */
  sendCode(mobile: string, code: string): Promise<void>
}

/** For development: the code goes to the log, and nowhere else. */
export function consoleSms(log: FastifyBaseLogger): SmsProvider {
  return {
    async sendCode(mobile, code) {
      log.info(`verification code for ${maskMobile(mobile)}: ${code}`)
    }
  }
}
