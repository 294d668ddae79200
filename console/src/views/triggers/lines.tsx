/** Names with values, one a line. */
import { useState } from 'react'
import { Field, TextArea } from '../../ui/button.tsx'

interface LinesProps {
  label: string
  hint: string
  values: Readonly<Record<string, string>>
  separator: '=' | ':'
  onChange: (values: Record<string, string>) => void
}

export function Lines({ label, hint, values, separator, onChange }: LinesProps) {
  const [text, setText] = useState(() =>
    Object.entries(values)
      .map(([name, value]) => `${name}${separator}${separator === ':' ? ' ' : ''}${value}`)
      .join('\n'),
  )
  const change = (next: string) => {
    setText(next)
    const entries = next.split('\n').flatMap(line => {
      const at = line.indexOf(separator)
      return at <= 0 ? [] : [[line.slice(0, at).trim(), line.slice(at + 1).trim()] as const]
    })
    onChange(Object.fromEntries(entries))
  }
  return (
    <Field label={label} hint={hint}>
      {id => <TextArea id={id} rows={3} value={text} onChange={event => change(event.target.value)} />}
    </Field>
  )
}
