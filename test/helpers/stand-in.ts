import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** A request as a stand-in sees it. */
export interface Seen {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** What it answers with; `hang` keeps the line open and says nothing. */
export type Answer = 'hang' | { readonly status?: number; readonly body: unknown }

/** An HTTP server on a free port of this machine, in place of a service outside; it ends with the test. */
export async function standIn(answer: (seen: Seen) => Answer | Promise<Answer>): Promise<string> {
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const url = new URL(request.url ?? '/', 'http://stand-in')
    const given = await answer({ method: request.method ?? '', url, headers: request.headers, body })
    if (given === 'hang') return
    response.writeHead(given.status ?? 200, { 'content-type': 'application/json' })
    response.end(typeof given.body === 'string' ? given.body : JSON.stringify(given.body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Everything that a logger wrote. */
export function logLines(): { readonly destination: { write(line: string): void }; text(): string } {
  const lines: string[] = []
  return { destination: { write: (line) => void lines.push(line) }, text: () => lines.join('') }
}
