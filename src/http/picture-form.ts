import type { FastifyRequest } from 'fastify'
import { MAX_PHOTO_BYTES } from '../adapters/images/images.js'
import type { ErrorName } from '../shared/catalogue.js'
import { isNothing } from '../shared/reading.js'
import { Refusal, refuse } from '../shared/refusal.js'

/** A multipart form with one file, read to its end. */
interface PictureForm {
  readonly bytes: Buffer
  /** As the client called it: for people to read, never a path. */
  readonly filename: string
  readonly fields: ReadonlyMap<string, string>
}

const FILENAME_LENGTH = 255

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Other names of a form's fields and files, and what they mean. Where both come, the name itself counts. */
    formNames?: Readonly<Record<string, string>>
  }
}

/** For the parser: one file, a few short fields. */
export const FORM_LIMITS = { files: 1, fileSize: MAX_PHOTO_BYTES, fields: 10, fieldSize: 4096, parts: 12 } as const

/** What a form's file is called, and how the module that reads it refuses. */
interface FileKind {
  readonly field: string
  readonly required: ErrorName
  readonly tooLarge: ErrorName
  readonly unreadable: ErrorName
}

export const AVATAR: FileKind = {
  field: 'avatar',
  required: 'AVATAR_REQUIRED',
  tooLarge: 'AVATAR_TOO_LARGE',
  unreadable: 'AVATAR_UNREADABLE'
}

export const PRODUCT_IMAGE: FileKind = {
  field: 'image',
  required: 'IMAGE_REQUIRED',
  tooLarge: 'IMAGE_TOO_LARGE',
  unreadable: 'IMAGE_UNREADABLE'
}

export const PHOTO: FileKind = {
  field: 'photo',
  required: 'PHOTO_REQUIRED',
  tooLarge: 'PHOTO_TOO_LARGE',
  unreadable: 'PHOTO_UNREADABLE'
}

/**
 * Reads the form as it streams in; of the file no more than its limit is ever in memory.
 * Whoever may sign in by the form has done so before a byte of the file is read.
 * @throws Refusal as `kind` has it, BODY_MALFORMED for what is no form or breaks off, VALIDATION_FAILED for a second
 *   file or too many fields, or as `signInByForm` does
 */
export async function readPictureForm(request: FastifyRequest, kind: FileKind): Promise<PictureForm> {
  const fields = new Map<string, string>()
  if (!request.isMultipart()) {
    await request.signInByForm(fields)
    throw refuse(kind.required)
  }
  const { formNames = {} } = request.routeOptions.config
  const nameOf = (given: string) => (Object.hasOwn(formNames, given) ? formNames[given] : undefined) ?? given
  let file: { bytes: Buffer; filename: string } | undefined
  let notSignedIn: unknown
  const signIn = () =>
    request.signInByForm(fields).catch((err: unknown) => {
      notSignedIn = err
      throw err
    })
  try {
    for await (const part of request.parts()) {
      if (part.type === 'field') {
        const name = nameOf(part.fieldname)
        const value = String(part.value)
        if (!isNothing(value) && (name === part.fieldname || !fields.has(name))) fields.set(name, value)
        continue
      }
      await signIn()
      const bytes = await readFile(part.file, request)
      if (part.file.truncated) throw refuse(kind.tooLarge)
      if (nameOf(part.fieldname) === kind.field) file = { bytes, filename: part.filename ?? '' }
    }
    await signIn()
  } catch (err) {
    // The rest of the form is read and forgotten: a client that is still sending would not hear the answer.
    request.raw.unpipe()
    request.raw.resume()
    throw err === notSignedIn ? err : fromParser(err, kind)
  }
  if (file === undefined) throw refuse(kind.required)
  if (file.bytes.length === 0) throw refuse(kind.unreadable)
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

/** What went wrong with a form in our words: what its parser cannot read is no form. */
function fromParser(err: unknown, kind: FileKind): Refusal {
  if (err instanceof Refusal) return err
  const { code } = err as { code?: unknown }
  if (code === 'FST_REQ_FILE_TOO_LARGE') return refuse(kind.tooLarge)
  if (code === 'FST_FILES_LIMIT') {
    return refuse('VALIDATION_FAILED', [{ field: kind.field, message: 'must be one file' }])
  }
  if (typeof code === 'string' && /^FST_(PARTS|FIELDS|PROTO)/.test(code)) {
    return refuse('VALIDATION_FAILED', [{ field: 'form', message: 'has too many or wrong fields' }])
  }
  return refuse('BODY_MALFORMED')
}
