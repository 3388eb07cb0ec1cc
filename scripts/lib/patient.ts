import { setTimeout as pause } from 'node:timers/promises'
import type { Sent, Transport } from '../../src/client/index.js'

interface Patience {
  /** Of what is worth waiting for. */
  readonly statuses: readonly number[]
  /** Who would have to wait for longer is told so at once. */
  readonly longestSeconds: number
  /** Told of each wait. */
  readonly onWait?: (request: Sent, seconds: number) => void
}

/** What comes too soon is sent again when the service says that it may be, however often. */
export function patient(transport: Transport, { statuses, longestSeconds, onWait }: Patience): Transport {
  return {
    ...transport,
    async send(request) {
      const answer = await transport.send(request)
      const seconds = Number(answer.header('retry-after') ?? Number.NaN)
      if (!statuses.includes(answer.status) || !(seconds <= longestSeconds)) return answer
      onWait?.(request, seconds)
      await pause(seconds * 1000)
      return this.send(request)
    }
  }
}
