import type { FastifyInstance } from 'fastify'

/** The series of /metrics by name and labels, such as `points_in_total{source="register"}`; without `worker`. */
export async function scrape(app: FastifyInstance): Promise<Map<string, number>> {
  const { payload } = await app.inject('/metrics')
  const series = new Map<string, number>()
  for (const line of payload.split('\n')) {
    const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    if (name === '') continue
    const shown = [...labels.matchAll(/(\w+)="([^"]*)"/g)]
      .filter(([, label]) => label !== 'worker')
      .map(([text]) => text)
      .sort()
      .join(',')
    series.set(shown === '' ? name : `${name}{${shown}}`, Number(value))
  }
  return series
}
