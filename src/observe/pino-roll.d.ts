/** The little that is used of a package that has no types. */
declare module 'pino-roll' {
  import type { EventEmitter } from 'node:events'

  export default function roll(options: {
    file: string
    frequency: 'daily'
    dateFormat: string
    extension: string
    size: string
    sync: boolean
    mode: number
  }): Promise<EventEmitter & { write(line: string): void }>
}
