import { catalogue } from '../shared/catalogue.js'
import { escapeHtml, type PlainPage, plainPage } from './plain-page.js'

/** Every refusal there is, for whoever writes a client: status, number, name, what the diner reads, when it comes. */
export function errorsPage(): PlainPage {
  const rows = Object.entries(catalogue).map(([name, { status, code, msg, when }]) => {
    const cells = [String(status), String(code), `<code id="${name}">${name}</code>`, escapeHtml(msg), escapeHtml(when)]
    return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
  })
  return plainPage(
    'Errors',
    `<h1>How a request is refused</h1>
<p>Numbers may repeat between modules; the name is unique. <a href="/api/docs">Back to the routes</a></p>
<div class="scroll" tabindex="0" role="region" aria-label="All of them"><table>
<thead><tr><th>HTTP</th><th>code</th><th>error</th><th>msg</th><th>when</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table></div>`
  )
}
