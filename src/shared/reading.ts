/** Under this a schema says how a text is read before it is judged: no document shows a symbol. */
export const READING = Symbol('reading')

/** What a client's text stands for. */
export type TextReading = (text: string) => string

/** The words by which clients in the field say "nothing" in a query or a form (contract section 2). */
const NOTHING: ReadonlySet<unknown> = new Set(['', 'undefined', 'null'])

/** Whether a text is what a client writes for nothing. */
export const isNothing = (text: unknown): boolean => NOTHING.has(text)

/** Full-width forms, as Chinese keyboards have them, and the wide blank, as their plain ones. */
function halfWidth(text: string): string {
  return text
    .replaceAll(/[\uFF01-\uFF5E]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
    .replaceAll('\u3000', ' ')
}

/**
 * A mobile as a person writes it (contract section 2): blanks, hyphens, the marks of direction that address books put
 * around a number, and +86 or 86 in front fall away. What is no mobile is left as far as it goes, for the schema to
 * refuse.
 */
export const readMobile: TextReading = (text) =>
  halfWidth(text)
    .replaceAll(/[\s\p{Pd}\p{Cf}]/gu, '')
    .replace(/^\+?86/, '')

/** A telephone number of whatever kind: its digits plain, nothing around it. */
export const readTelephone: TextReading = (text) =>
  halfWidth(text)
    .replaceAll(/\p{Cf}/gu, '')
    .trim()
