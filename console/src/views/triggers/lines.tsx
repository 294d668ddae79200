/** Names with values, one a line. */
import { type ChangeEvent, useState } from 'react'
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
  const change = ({ target }: ChangeEvent<HTMLTextAreaElement>) => {
    setText(target.value)
    const lines = target.value.split('\n').filter(line => line.trim() !== '')
    const wrong = lines.find(line => line.indexOf(separator) <= 0)
    // The browser says so at the field, and does not submit the form.
    target.setCustomValidity(wrong === undefined ? '' : `There is no ${separator} behind a name in the line ${wrong}`)
    const entries = lines
      .filter(line => line.indexOf(separator) > 0)
      .map(line => {
        const at = line.indexOf(separator)
        return [line.slice(0, at).trim(), line.slice(at + 1).trim()] as const
      })
    onChange(Object.fromEntries(entries))
  }
  return (
    <Field label={label} hint={hint}>
      {id => <TextArea id={id} rows={3} value={text} onChange={change} />}
    </Field>
  )
}
