/** JSON as a tree that folds. Numbers are shown as they were written, because a double would change the long ones. */
import { useState } from 'react'
import css from './json-tree.module.css'

/** A number as it was written. */
class Written {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }
}

type Json = string | boolean | null | Written | Json[] | { [key: string]: Json }

type RawJson = (text: string, reviver: (key: string, value: unknown, context?: { source?: string }) => unknown) => unknown

/** undefined: no JSON, or a bare text or number, for which a tree says nothing. */
export function parseJson(text: string): Json | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined
  try {
    return (JSON.parse as RawJson)(text, (_, value, context) => {
      if (typeof value === 'number') return new Written(context?.source ?? String(value))
      return value
    }) as Json
  } catch {
    return undefined
  }
}

export function JsonTree({ value }: { value: Json }) {
  return (
    <div className={css['tree']}>
      <Node value={value} depth={0} />
    </div>
  )
}

/** Deeper ones are folded at first. */
const openDepth = 3
const mostChildren = 200

function Node({ name, value, depth }: { name?: string; value: Json; depth: number }) {
  const [open, setOpen] = useState(depth < openDepth)
  const [shown, setShown] = useState(mostChildren)
  const label = name === undefined ? null : <span className={css['name']}>{name}: </span>
  if (value === null || typeof value !== 'object' || value instanceof Written)
    return (
      <div className={css['leaf']}>
        {label}
        <Leaf value={value} />
      </div>
    )
  const isList = Array.isArray(value)
  const entries = Object.entries(value)
  const [begin, end] = isList ? ['[', ']'] : ['{', '}']
  return (
    <div>
      <button type="button" className={css['fold']} aria-expanded={open} onClick={() => setOpen(!open)}>
        <span aria-hidden="true" className={css['sign']}>
          {open ? '▾' : '▸'}
        </span>
        {label}
        {open ? begin : `${begin} ${entries.length} ${end}`}
      </button>
      {open && (
        <>
          <div className={css['children']}>
            {entries.slice(0, shown).map(([key, each]) => (
              <Node key={key} name={key} value={each} depth={depth + 1} />
            ))}
            {entries.length > shown && (
              <button type="button" className={css['fold']} onClick={() => setShown(shown + mostChildren)}>
                … {entries.length - shown} more
              </button>
            )}
          </div>
          <div className={css['end']}>{end}</div>
        </>
      )}
    </div>
  )
}

function Leaf({ value }: { value: string | boolean | null | Written }) {
  if (value instanceof Written) return <span className={css['number']}>{value.source}</span>
  if (typeof value === 'string') return <span className={css['string']}>{JSON.stringify(value)}</span>
  return <span className={css['word']}>{String(value)}</span>
}
