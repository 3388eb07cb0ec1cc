/** Where a client reaches the service, such as `https://api.example.com`: as configured, else as its request came. */
export function publicOrigin(
  request: { readonly protocol: string; readonly host: string },
  config: { readonly PUBLIC_URL?: string }
): string {
  return (config.PUBLIC_URL ?? `${request.protocol}://${request.host}`).replace(/\/+$/, '')
}
