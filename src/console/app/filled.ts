/** The fields that have something in them: what a form leaves empty is neither asked for nor sent. */
export function filled<Fields extends Readonly<Record<string, string>>>(
  fields: Fields
): { [Name in keyof Fields]?: Exclude<Fields[Name], ''> } {
  const trimmed = Object.entries(fields).map(([name, value]) => [name, value.trim()] as const)
  return Object.fromEntries(trimmed.filter(([, value]) => value !== '')) as ReturnType<typeof filled<Fields>>
}
