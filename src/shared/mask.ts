/** A mobile as it may be shown, told and logged: `138****5678` (contract section 2). */
export function maskMobile(mobile: string): string {
  return mobile.length === 11 ? `${mobile.slice(0, 3)}****${mobile.slice(7)}` : '***'
}

/** A telephone or a number of a document: shows whose it is, and not how to reach or pose as them: `139****0001`. */
export function maskText(text: string): string {
  return text.length <= 4 ? '****' : `${text.slice(0, Math.min(3, text.length - 4))}****${text.slice(-4)}`
}
