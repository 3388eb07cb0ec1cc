/**
 * A pattern for names that people read, whatever is in them: one of its characters is to be seen, and none controls,
 * hides or turns the text, but for those that make one emoji of several. What has a meaning in HTML or CSV is the
 * reader's to escape.
 */
export const PLAIN_TEXT =
  '^(?=.*[\\p{L}\\p{N}\\p{P}\\p{S}])(?:[^\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}\\p{DI}]|[\\u200D\\uFE0E\\uFE0F])+$'
