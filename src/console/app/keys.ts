import { onMounted, onUnmounted } from 'vue'

const isWriting = (target: EventTarget | null) =>
  target instanceof HTMLElement &&
  target.closest('input:not([type=checkbox]), textarea, select, [contenteditable]') !== null

/** A dialog that was closed is still there, unseen. */
const isBehindDialog = () =>
  [...document.querySelectorAll('[role=dialog]')].some((dialog) => dialog.getClientRects().length > 0)

/** Keys that do something while a page is shown, unless somebody writes, or a dialog is before it. */
export function useKeys(keys: Readonly<Record<string, () => void>>): void {
  function press(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
    if (isWriting(event.target) || isBehindDialog()) return
    const key = event.key.length === 1 ? event.key.toUpperCase() : event.key
    const act = Object.hasOwn(keys, key) ? keys[key] : undefined
    if (act === undefined) return
    event.preventDefault()
    act()
  }
  onMounted(() => window.addEventListener('keydown', press))
  onUnmounted(() => window.removeEventListener('keydown', press))
}
