/**
 * A pattern for names that people read: one of its characters is to be seen, and none controls, hides or turns the
 * text (but for the joiner that makes one emoji of several) or has a meaning in HTML.
 */
export const PLAIN_TEXT = '^(?=.*[\\p{L}\\p{N}\\p{P}\\p{S}])(?:[^\\p{C}\\p{Zl}\\p{Zp}<>&"\'`]|\\u200D)+$'
