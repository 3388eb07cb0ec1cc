import { createI18n } from 'vue-i18n'
import { en } from '../words/en.js'
import { type WordKey, zh } from '../words/zh.js'

type Language = 'zh' | 'en'

/** Where a browser keeps it. */
const KEPT = 'console-language'

function firstLanguage(): Language {
  const kept = localStorage.getItem(KEPT)
  if (kept === 'zh' || kept === 'en') return kept
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}

export const i18n = createI18n({ legacy: false, locale: firstLanguage(), messages: { zh, en } })
document.documentElement.lang = languageTag(language())

export function language(): Language {
  return i18n.global.locale.value as Language
}

export function speakOther(): void {
  const next = language() === 'zh' ? 'en' : 'zh'
  i18n.global.locale.value = next
  localStorage.setItem(KEPT, next)
  document.documentElement.lang = languageTag(next)
}

/** How browsers name it, for dates and numbers too. */
export function languageTag(name: Language): string {
  return name === 'zh' ? 'zh-CN' : 'en'
}

/** What stands under a key, in the language of the moment; what shows it is shown anew when that changes. */
export function say(key: WordKey, named: Readonly<Record<string, string | number>> = {}): string {
  return i18n.global.t(key, named)
}
