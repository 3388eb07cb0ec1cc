import type { Static, TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { refuse } from '../shared/refusal.js'

/** The place in a list where a page ended, as a text that clients hand back without looking into it. */
export function encodeCursor(place: object): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url')
}

/**
 * Reads what {@link encodeCursor} wrote.
 * @throws Refusal VALIDATION_FAILED when the text is no cursor of this list
 */
export function decodeCursor<T extends TSchema>(schema: T, text: string): Static<T> {
  let place: unknown
  try {
    place = JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    place = undefined
  }
  if (!Value.Check(schema, place))
    throw refuse('VALIDATION_FAILED', [{ field: 'cursor', message: 'is none of this list' }])
  return place
}
