import type { FastifyRequest } from 'fastify'

/** Whether a request is for the API: by its route, since a path can be encoded; where there is none, by its path. */
export function isUnderApi({ routeOptions, url }: FastifyRequest): boolean {
  return (routeOptions.url ?? url).startsWith('/api/')
}
