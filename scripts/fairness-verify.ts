import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import pc from 'picocolors'
import { checkProof } from '../src/checker/proof.js'
import { ENGLISH } from '../src/checker/words.js'
import { logClient } from './lib/log-client.js'
import { Fault, guarded } from './lib/print.js'

const USAGE = `npm run fairness:verify -- --proof FILE [--url URL] [--commitment SHA256]
       npm run fairness:verify -- --url URL-OF-A-PROOF --token TOKEN`

/**
 * `npm run fairness:verify -- --proof FILE`: checks the proof of a draw, line by line. With `--url` of the service the
 * signature of its log is checked too; a URL alone is where the proof itself is, with the diner's access token. Exits 1
 * with what is wrong.
 */
export async function main(args: string[]): Promise<void> {
  await guarded(async () => {
    const { proof, url, token, commitment } = readArguments(args)
    const text =
      proof === undefined ? await fetchProof(url ?? '', token) : await readFile(proof, 'utf8').catch(cannotRead)
    const verifierKey = url === undefined ? undefined : await logClient(new URL(url).origin).key()
    const findings = await checkProof(text, { verifierKey, commitment })
    for (const { check, verdict, params } of findings) {
      const mark = { right: pc.green('✓'), wrong: pc.red('✗'), open: pc.yellow('…') }[verdict]
      process.stdout.write(`${mark} ${ENGLISH.say(check, verdict, params)}\n`)
    }
    const wrong = findings.filter(({ verdict }) => verdict === 'wrong')
    const open = findings.some(({ verdict }) => verdict === 'open')
    process.stdout.write(
      `${wrong.length > 0 ? pc.red(ENGLISH.wrong) : open ? pc.yellow(ENGLISH.open) : pc.green(ENGLISH.right)}\n`
    )
    return wrong.length === 0 ? 0 : 1
  })
}

function cannotRead(err: Error): never {
  throw new Fault(`The proof cannot be read: ${err.message}`)
}

async function fetchProof(url: string, token: string | undefined): Promise<string> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  try {
    return await (await fetch(url, { headers })).text()
  } catch (err) {
    throw new Fault(`${url} does not answer: ${(err as Error).message}`)
  }
}

function readArguments(args: string[]) {
  const text = { type: 'string' } as const
  try {
    const { values } = parseArgs({ args, options: { proof: text, url: text, token: text, commitment: text } })
    if (values.proof === undefined && values.url === undefined) throw new Error('Which proof?')
    if (values.url !== undefined && !URL.canParse(values.url)) throw new Error(`${values.url} is no URL`)
    return values
  } catch (err) {
    throw new Fault(`${(err as Error).message}\nUsage: ${USAGE}`)
  }
}
