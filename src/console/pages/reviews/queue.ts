import { type ComputedRef, computed, onUnmounted, type Ref, ref, watch } from 'vue'
import type { PushOf } from '../../../client/index.js'
import { complain } from '../../app/errors.js'
import { useNews } from '../../app/news.js'
import { useList } from '../../app/reading.js'
import type { EvidencedReceipt } from '../../app/receipts.js'
import { client, session } from '../../app/session.js'

const PART = 50
/** How many of the last decisions are shown. */
const REMEMBERED = 6
const LOOK_AGAIN_MS = 2000

/** What became of a receipt, and by whom. */
export interface Decided {
  readonly uploadId: string
  readonly status: 'approved' | 'rejected' | 'withdrawn'
  readonly amount: number | null
  readonly points: number
  readonly by: { readonly userId: number; readonly nickname: string } | null
}

/** What waits for a decision, live: new ones come, and what anybody decided goes. */
export function useQueue() {
  const waiting = useWaiting()
  const { list, current, total } = waiting
  const { chosen, choose } = useChosen()
  const decided = ref<readonly Decided[]>([])
  /** The receipt that was open when somebody else decided it. */
  const taken = ref<Decided>()

  function drop(id: string): void {
    if (chosen.value.has(id)) choose(id)
    waiting.drop(id)
  }
  function open(id: string): void {
    if (id !== current.value?.upload_id) taken.value = undefined
    waiting.open(id)
  }
  function step(by: 1 | -1): void {
    const rows = list.rows.value
    const next = current.value && rows[rows.indexOf(current.value) + by]
    if (next !== undefined) open(next.upload_id)
  }
  function remember(what: Decided): void {
    decided.value = [what, ...decided.value.filter(({ uploadId }) => uploadId !== what.uploadId)].slice(0, REMEMBERED)
  }

  useNews('review_decided', (news) => {
    if (news.appeal !== null) return
    const what = toDecided(news)
    if (current.value?.upload_id === what.uploadId && what.by?.userId !== session.who?.userId) taken.value = what
    drop(what.uploadId)
    remember(what)
  })
  useNews('new_review', ({ upload_id: id }) => {
    total.value += 1
    // What is beyond the part that was read comes with the next one.
    if (!list.hasMore.value) void waiting.fetchOne(id)
  })
  void list.load()

  return { list, total, current, chosen, decided, taken, open, step, choose, drop, remember }
}

function toDecided({ upload_id: uploadId, status, ...news }: PushOf<'review_decided'>['data']): Decided {
  const { actual_amount: amount, points_awarded: points, reviewer } = news
  const by = reviewer === null ? null : { userId: reviewer.user_id, nickname: reviewer.nickname }
  return { uploadId, status, amount, points, by }
}

/** The list, and the one of it that is looked at. */
function useWaiting() {
  const total = ref(0)
  const currentId = ref<string>()
  const list = useList<EvidencedReceipt>(async (page) => {
    const part = await client.merchant.reviewsPending({ limit: PART, ...page })
    total.value = part.total
    return { rows: part.list, next: part.next_cursor }
  }, true)
  const placeOf = (id: string | undefined) => list.rows.value.findIndex(({ upload_id: other }) => other === id)
  const current = computed(() => list.rows.value[Math.max(0, placeOf(currentId.value))])

  function open(id: string): void {
    currentId.value = id
  }

  /** Takes a receipt out; the next one takes its place. */
  function drop(id: string): void {
    const at = placeOf(id)
    if (at < 0) return
    if (current.value?.upload_id === id) {
      currentId.value = (list.rows.value[at + 1] ?? list.rows.value[at - 1])?.upload_id
    }
    list.replace((rows) => rows.filter(({ upload_id: other }) => other !== id))
    total.value = Math.max(0, total.value - 1)
    if (list.rows.value.length < PART / 2 && list.hasMore.value) void list.more()
  }

  /** Reads a receipt anew, and shows it where it still waits. */
  async function fetchOne(id: string): Promise<void> {
    try {
      const receipt = await client.merchant.reviewsById({ id })
      if (receipt.status !== 'pending') return
      const isKnown = placeOf(id) >= 0
      list.replace((rows) => (isKnown ? rows.map((row) => (row.upload_id === id ? receipt : row)) : [...rows, receipt]))
    } catch (err) {
      complain(err)
    }
  }
  useSecondLook(current, fetchOne)
  return { list, total, current, open, drop, fetchOne }
}

/** Pictures are compared after the upload is answered: who looks at one at once looks again. */
function useSecondLook(
  current: ComputedRef<EvidencedReceipt | undefined>,
  fetchOne: (id: string) => Promise<void>
): void {
  let again: ReturnType<typeof setTimeout> | undefined
  watch(current, (receipt) => {
    clearTimeout(again)
    if (receipt?.evidence === null) again = setTimeout(() => void fetchOne(receipt.upload_id), LOOK_AGAIN_MS)
  })
  onUnmounted(() => clearTimeout(again))
}

/** Those that are to be decided together. */
function useChosen(): { chosen: Ref<ReadonlySet<string>>; choose: (id: string) => void } {
  const chosen = ref<ReadonlySet<string>>(new Set())
  function choose(id: string): void {
    const next = new Set(chosen.value)
    if (!next.delete(id)) next.add(id)
    chosen.value = next
  }
  return { chosen, choose }
}
