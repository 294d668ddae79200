/** Keeps what somebody has written from being lost by a click on another view, or with the page. */
import { useBlocker } from '@tanstack/react-router'
import { useRef } from 'react'

export function useUnsaved(isUnsaved: boolean): void {
  const latest = useRef(isUnsaved)
  latest.current = isUnsaved
  useBlocker({
    shouldBlockFn: () => latest.current && !window.confirm('What you have written is not saved. Leave it all the same?'),
    enableBeforeUnload: () => latest.current,
  })
}
