import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { type DestinationStream, multistream, pino, type StreamEntry } from 'pino'
import pretty from 'pino-pretty'
import { type Config, ConfigError } from '../config.js'
import { errorForLog, scrubbed, urlForLog } from './log-safety.js'

/** Fields that never reach a log, at the top or one level down. */
const SECRET_FIELDS = [
  'authorization',
  'cookie',
  'headers',
  'body',
  'password',
  'token',
  'access_token',
  'refresh_token',
  'code',
  'voucher_code',
  'mobile',
  'phone',
  'address'
]

/**
 * JSON in production, readable lines elsewhere. Headers and bodies are never logged, errors and addresses without what
 * people entered, and what looks like a token or a mobile is blotted out of every line at last, wherever it came from
 * (contract section 11).
 * @param destination where lines go instead of standard output
 * @param files where they go besides: {@link logFiles}
 */
export function createLogger(
  config: Config,
  destination?: DestinationStream,
  files: readonly StreamEntry[] = []
): FastifyBaseLogger {
  const options = {
    level: config.LOG_LEVEL,
    // Not `*.code`: in `err` it is the name of an error.
    redact: SECRET_FIELDS.flatMap((name) => (name === 'code' ? [name] : [name, `*.${name}`])),
    serializers: {
      req: (request: FastifyRequest) => ({
        method: request.method,
        url: urlForLog(request.url, request.routeOptions?.url),
        remoteAddress: request.ip
      }),
      err: (err: unknown) => errorForLog(err),
      error: (err: unknown) => errorForLog(err)
    },
    hooks: {
      streamWrite: scrubbed,
      // Where no message is given pino takes the error's own, as it is.
      logMethod(args: unknown[], method: (...args: unknown[]) => void) {
        const [first, message, ...rest] = args
        const err = first instanceof Error ? first : (first as { err?: unknown } | undefined)?.err
        const given = message ?? (err instanceof Error ? errorForLog(err).message : undefined)
        const fields = first instanceof Error ? { err } : first
        method.apply(this, given === undefined ? [fields] : [fields, given, ...rest])
      }
    }
  }
  const out = destination ?? standardOutput(config)
  return pino(options, files.length === 0 ? out : multistream([{ stream: out, level: 'trace' }, ...files]))
}

function standardOutput({ NODE_ENV }: Config): DestinationStream {
  if (NODE_ENV === 'production') return pino.destination({ dest: 1, sync: true })
  return pretty({ sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' })
}

/**
 * The daily files of LOG_DIR, if it is set. The package is loaded only then: it is not small.
 * @throws ConfigError when the folder cannot be written
 */
export async function logFiles({ LOG_DIR }: Config): Promise<StreamEntry[]> {
  if (LOG_DIR === undefined) return []
  try {
    const { openLogFiles } = await import('./log-files.js')
    return await openLogFiles(LOG_DIR)
  } catch (err) {
    throw new ConfigError([`LOG_DIR is ${LOG_DIR}, which cannot be written: ${(err as Error).message}`])
  }
}
