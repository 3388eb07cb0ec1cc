/** The token in an `Authorization: Bearer …` header. */
export function bearerToken({ headers }: { readonly headers: { readonly authorization?: string | undefined } }) {
  return /^Bearer\s+(\S+)\s*$/i.exec(headers.authorization ?? '')?.[1]
}
