import { checkProof, type Finding } from '../checker/proof.js'
import { readWheel } from '../checker/wheel.js'
import { CHINESE, ENGLISH, type Words } from '../checker/words.js'
import { PAGE_CHINESE, PAGE_ENGLISH, type PageWords } from './page-words.js'

const MARKS = { right: '✓', wrong: '✗', open: '…' } as const
const LANGUAGES: readonly { tag: string; other: string; words: Words; page: PageWords }[] = [
  { tag: 'zh-CN', other: 'English', words: CHINESE, page: PAGE_CHINESE },
  { tag: 'en', other: '中文', words: ENGLISH, page: PAGE_ENGLISH }
]

const byId = <T extends HTMLElement>(id: string) => document.getElementById(id) as T
const proof = byId<HTMLTextAreaElement>('proof')
const commitment = byId<HTMLInputElement>('commitment')
const key = byId<HTMLInputElement>('key')
const fetched = byId('fetched')

let language = navigator.language.startsWith('zh') ? 0 : 1
let findings: Finding[] | undefined

const spoken = () => LANGUAGES[language] ?? (LANGUAGES[0] as (typeof LANGUAGES)[number])

/** Everything the page says, anew: in another language, or of another proof. */
function show(): void {
  const { tag, other, page } = spoken()
  document.documentElement.lang = tag
  byId('language').textContent = other
  for (const element of document.querySelectorAll<HTMLElement>('[data-say]')) {
    element.textContent = page[element.dataset.say as keyof PageWords]
  }
  showAnswer()
}

function showAnswer(): void {
  const { words, page } = spoken()
  byId('answer').hidden = findings === undefined
  if (findings === undefined) return
  const verdict = ['wrong', 'open', 'right'].find((one) => findings?.some((finding) => finding.verdict === one))
  const outcome = (verdict ?? 'wrong') as Finding['verdict']
  byId('verdict').className = outcome
  byId('verdict').textContent = words[outcome]
  byId('findings').replaceChildren(
    ...findings.map(({ check, verdict: own, params }) => {
      const mark = element('span', `mark ${own}`, MARKS[own])
      const text = element('span', own === 'wrong' ? 'text wrong' : 'text', words.say(check, own, params))
      mark.setAttribute('aria-label', page[own])
      mark.setAttribute('role', 'img')
      const line = element('li', '', '')
      line.append(mark, text)
      return line
    })
  )
  byId('rules').replaceChildren(...rulesOf(proof.value, page))
}

/** What was told is a stranger's text: it is shown as text, whatever it is. */
function element(name: string, className: string, text: string): HTMLElement {
  const made = document.createElement(name)
  made.className = className
  made.textContent = text
  return made
}

/** The wheel that the proof says it was drawn on. */
function rulesOf(text: string, page: PageWords): HTMLElement[] {
  try {
    const told = JSON.parse(text)
    const { prizes } = readWheel((told.data ?? told).rules)
    const table = element('table', '', '')
    const row = (cell: string, ...cells: string[]) => {
      const line = element('tr', '', '')
      line.append(...cells.map((content) => element(cell, '', content)))
      return line
    }
    table.append(row('th', page.prize, page.odds))
    table.append(...prizes.map(({ name, rolls }) => row('td', name, `${rolls / 100} %`)))
    return [element('h2', '', page.rules), table]
  } catch {
    return []
  }
}

async function check(): Promise<void> {
  const known = { commitment: commitment.value.trim() || undefined, verifierKey: key.value.trim() || undefined }
  if (globalThis.crypto?.subtle === undefined) {
    findings = [{ check: 'format', verdict: 'wrong', params: { why: spoken().page.insecure } }]
  } else {
    findings = await checkProof(proof.value, known)
  }
  showAnswer()
}

async function readFile(file: File | undefined): Promise<void> {
  if (file === undefined) return
  proof.value = await file.text()
  await check()
}

byId('language').addEventListener('click', () => {
  language = 1 - language
  show()
})
byId('form').addEventListener('submit', (event) => {
  event.preventDefault()
  void check()
})
byId<HTMLInputElement>('file').addEventListener('change', (event) => {
  void readFile((event.target as HTMLInputElement).files?.[0])
})
document.addEventListener('dragover', (event) => event.preventDefault())
document.addEventListener('drop', (event) => {
  event.preventDefault()
  void readFile(event.dataTransfer?.files[0])
})
// The one request there is, to where the page came from, and only when it is asked for.
byId('fetch').addEventListener('click', async () => {
  try {
    const answer = await fetch('/api/fairness/key')
    key.value = (await answer.json()).data.verifier_key
    fetched.textContent = spoken().page.fetchedKey
  } catch {
    fetched.textContent = spoken().page.noKey
  }
})
show()
