/** Narrows a list by name. What is typed is kept where the view says, in the URL, and asked for as soon as there is time. */
import { type ReactNode, useDeferredValue, useState } from 'react'
import { Input } from './button.tsx'

/** `wanted`: for the query; `remember`: undefined when nothing is typed. */
export function useNameSearch(
  label: string,
  before: string,
  remember: (text: string | undefined) => void,
): { wanted: string; box: ReactNode } {
  const [typed, setTyped] = useState(before)
  const wanted = useDeferredValue(typed)
  const box = (
    <Input
      type="search"
      aria-label={label}
      placeholder="Name contains…"
      value={typed}
      onChange={event => {
        const text = event.target.value
        setTyped(text)
        remember(text === '' ? undefined : text)
      }}
    />
  )
  return { wanted, box }
}
