import { computed, ref, shallowRef } from 'vue'
import { complain, faultOf } from './errors.js'
import type { PageReading } from './reading.js'

/** Something that is asked of the service, one at a time; `tell` says what went wrong. */
export function useAct(tell: (err: unknown) => void = complain) {
  const isBusy = ref(false)
  /** @returns whether it was done */
  async function act(work: () => Promise<unknown>): Promise<boolean> {
    if (isBusy.value) return false
    isBusy.value = true
    try {
      await work()
      return true
    } catch (err) {
      tell(err)
      return false
    } finally {
      isBusy.value = false
    }
  }
  return { isBusy, act }
}

/** The same for a form, which says itself what is wrong with it. */
export function useForm() {
  const fault = ref('')
  const { isBusy, act } = useAct((err) => {
    fault.value = faultOf(err) ?? ''
  })
  function submit(work: () => Promise<unknown>): Promise<boolean> {
    fault.value = ''
    return act(work)
  }
  return { fault, isBusy, submit }
}

/** What was written into the fields of a question, trimmed; one that was left empty is there as ''. */
type Written = Readonly<Record<string, string>>

/**
 * A question about one thing: `about` it while it is open. It closes once what it asks is done; refused, it stays, with
 * what was written. The list is read anew either way, as somebody else may have been first.
 * @param work what it asks for, with what was written under the fields' keys
 */
export function useAsk<Thing>(
  list: Pick<PageReading, 'load'>,
  work: (thing: Thing, written: Written) => Promise<void>
) {
  const about = shallowRef<Thing>()
  const { isBusy, act } = useAct()
  async function submit(written: Written): Promise<void> {
    const thing = about.value
    if (thing === undefined || isBusy.value) return
    if (await act(() => work(thing, written))) about.value = undefined
    await list.load()
  }
  return {
    about,
    isBusy,
    submit,
    isOpen: computed(() => about.value !== undefined),
    close: () => {
      about.value = undefined
    }
  }
}

/** What a dialog has to know of a question. */
export type Ask = Omit<ReturnType<typeof useAsk>, 'about'>
