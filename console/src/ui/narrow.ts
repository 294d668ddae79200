/** Whether there is little room: a phone, or half of a small screen. */
import { useSyncExternalStore } from 'react'

const query = window.matchMedia('(max-width: 720px)')

function follow(changed: () => void): () => void {
  query.addEventListener('change', changed)
  return () => query.removeEventListener('change', changed)
}

export function useNarrow(): boolean {
  return useSyncExternalStore(follow, () => query.matches)
}
