import { onUnmounted, watch } from 'vue'
import type { LivePush, PushOf } from '../../client/index.js'
import { liveLine, session } from './session.js'

/** Hears of pushes of one kind for as long as a page is shown. */
export function useNews<Name extends LivePush['type']>(type: Name, hear: (data: PushOf<Name>['data']) => void): void {
  const stop = liveLine()?.on(type, hear)
  onUnmounted(() => stop?.())
}

/** What is for many is not told again to who was away: such a page is read anew once the line is back. */
export function useReturn(readAnew: () => void): void {
  watch(
    () => session.line,
    (now, before) => {
      if (now === 'open' && before !== 'open') readAnew()
    }
  )
}
