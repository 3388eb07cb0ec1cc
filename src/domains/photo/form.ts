import type { FastifyRequest } from 'fastify'
import { refuse } from '../../shared/refusal.js'
import { MAX_PHOTO_BYTES } from './images.js'

/** A multipart form with one file, read to its end. */
export interface PhotoForm {
  readonly bytes: Buffer
  /** As the client called it: for people to read, never a path. */
  readonly filename: string
  readonly fields: ReadonlyMap<string, string>
}

const FILENAME_LENGTH = 255

/**
 * Reads the form as it streams in; of the file no more than its limit is ever in memory.
 * @param field the name under which the file is sent
 * @throws Refusal PHOTO_REQUIRED, PHOTO_TOO_LARGE, or VALIDATION_FAILED for a second file or too many fields
 */
export async function readPhotoForm(request: FastifyRequest, field: string): Promise<PhotoForm> {
  if (!request.isMultipart()) throw refuse('PHOTO_REQUIRED')
  const fields = new Map<string, string>()
  let file: { bytes: Buffer; filename: string } | undefined
  try {
    for await (const part of request.parts()) {
      if (part.type === 'field') {
        fields.set(part.fieldname, String(part.value))
        continue
      }
      const bytes = await readFile(part.file, request)
      if (part.file.truncated) throw refuse('PHOTO_TOO_LARGE')
      if (part.fieldname === field) file = { bytes, filename: part.filename ?? '' }
    }
  } catch (err) {
    throw fromParser(err)
  }
  if (file === undefined || file.bytes.length === 0)
    throw refuse(file === undefined ? 'PHOTO_REQUIRED' : 'PHOTO_UNREADABLE')
  return { ...file, filename: file.filename.slice(-FILENAME_LENGTH), fields }
}

/** Into one buffer that is as large as the request can need: no chunk is kept beside it. */
async function readFile(file: AsyncIterable<Buffer>, request: FastifyRequest): Promise<Buffer> {
  const announced = Number(request.headers['content-length'])
  const bytes = Buffer.allocUnsafe(Math.min(announced || MAX_PHOTO_BYTES, MAX_PHOTO_BYTES))
  let length = 0
  for await (const chunk of file) length += chunk.copy(bytes, length)
  return bytes.subarray(0, length)
}

/** The parser's own refusals in our words. */
function fromParser(err: unknown): unknown {
  const { code } = err as { code?: unknown }
  if (code === 'FST_REQ_FILE_TOO_LARGE') return refuse('PHOTO_TOO_LARGE')
  if (code === 'FST_FILES_LIMIT') {
    return refuse('VALIDATION_FAILED', [{ field: 'photo', message: 'must be one file' }])
  }
  if (typeof code === 'string' && /^FST_(PARTS|FIELDS|PROTO)/.test(code)) {
    return refuse('VALIDATION_FAILED', [{ field: 'form', message: 'has too many or wrong fields' }])
  }
  return err
}
