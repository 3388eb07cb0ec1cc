import { complain } from './errors.js'

/** The address for which the console was last loaded as a whole, until it got there. */
const TRIED = 'console-reloaded-for'

/**
 * Where the code of a page cannot be had: a deployment may have given it another name, so the console is loaded anew as
 * a whole, as a link would. Once for each page; and where the service is not there, what is shown stays, and says so.
 */
export async function reloadFor(address: string): Promise<void> {
  try {
    if (sessionStorage.getItem(TRIED) === address) throw new Error('a new console has no such page either')
    const reply = await fetch(address, { method: 'HEAD', cache: 'no-store' })
    if (!reply.ok) throw new Error(`the console answers ${reply.status}`)
    sessionStorage.setItem(TRIED, address)
    location.assign(address)
  } catch (err) {
    complain(err)
  }
}

/** A page is there. */
export function arrived(): void {
  sessionStorage.removeItem(TRIED)
}
