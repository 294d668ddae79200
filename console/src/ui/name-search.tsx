/** Narrows a list by name. What is typed is kept in the URL, and asked for as soon as there is time. */
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type ReactNode, useDeferredValue, useState } from 'react'
import { Input } from './button.tsx'

/** `wanted`: for the query. */
export function useNameSearch(label: string): { wanted: string; box: ReactNode } {
  const { search = '' } = useSearch({ strict: false }) as { search?: string }
  const navigate = useNavigate()
  const [typed, setTyped] = useState(search)
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
        void navigate({ to: '.', replace: true, search: before => ({ ...before, search: text || undefined }) as never })
      }}
    />
  )
  return { wanted, box }
}
