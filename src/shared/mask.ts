/** A mobile as it may be shown, told and logged: `138****5678` (contract section 2). */
export function maskMobile(mobile: string): string {
  return mobile.length === 11 ? `${mobile.slice(0, 3)}****${mobile.slice(7)}` : '***'
}
