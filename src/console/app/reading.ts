import { ref, shallowRef } from 'vue'
import { complain } from './errors.js'
import { useReturn } from './news.js'

/**
 * What a page reads. Asked again meanwhile, for something else say, the later answer is the one that is shown; what
 * failed is read anew as soon as the line is back, and so is what is kept up by news.
 * @param first what is asked for from the beginning
 * @param isLive whether news keep it up, of which some may have been missed
 */
export function useReading<Asked, Answer>(
  first: Asked,
  read: (asked: Asked) => Promise<Answer>,
  show: (answer: Answer, asked: Asked) => void,
  isLive = false
) {
  const isLoading = ref(false)
  const hasFailed = ref(false)
  let times = 0

  /** @returns whether it was read, and is shown */
  async function take(asked: Asked): Promise<boolean> {
    times += 1
    const mine = times
    isLoading.value = true
    try {
      const answer = await read(asked)
      if (mine !== times) return false
      show(answer, asked)
      hasFailed.value = false
      return true
    } catch (err) {
      if (mine !== times) return false
      hasFailed.value = true
      complain(err)
      return false
    } finally {
      if (mine === times) isLoading.value = false
    }
  }
  const load = () => take(first)
  useReturn(() => {
    if (isLive || hasFailed.value) void load()
  })
  return { isLoading, hasFailed, take, load }
}

/** What has to be known of it where nothing is shown yet. */
export type PageReading = Pick<ReturnType<typeof useReading>, 'isLoading' | 'hasFailed' | 'load'>

interface Part<Row> {
  readonly rows: readonly Row[]
  readonly next: string | null
}

/** Which part of a list is asked for; the first one where it says nothing. */
interface Page {
  readonly cursor?: string
}

/** A list that is read part by part, on and on. @param read one part of it @param isLive whether news keep it up */
export function useList<Row>(read: (page: Page) => Promise<Part<Row>>, isLive = false) {
  const rows = shallowRef<readonly Row[]>([])
  const hasMore = ref(false)
  let next: string | null = null
  const show = (part: Part<Row>, { cursor }: Page) => {
    rows.value = cursor === undefined ? part.rows : [...rows.value, ...part.rows]
    next = part.next
    hasMore.value = next !== null
  }
  const { take, ...reading } = useReading<Page, Part<Row>>({}, read, show, isLive)

  return {
    ...reading,
    rows,
    hasMore,
    more: () => (next === null ? Promise.resolve(false) : take({ cursor: next })),
    replace: (change: (rows: readonly Row[]) => readonly Row[]) => {
      rows.value = change(rows.value)
    }
  }
}

export type List<Row> = ReturnType<typeof useList<Row>>
