/** Buttons, and what goes into forms. */
import type { ButtonHTMLAttributes, InputHTMLAttributes, ReactNode, SelectHTMLAttributes, TextareaHTMLAttributes } from 'react'
import { useId } from 'react'
import css from './button.module.css'

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** What the view is for, or what destroys something. */
  kind?: 'plain' | 'main' | 'bad' | 'quiet'
  small?: boolean
}

export function Button({ kind = 'plain', small = false, className = '', type = 'button', ...rest }: ButtonProps) {
  return <button type={type} className={`${css['button']} ${css[kind]} ${small ? css['small'] : ''} ${className}`} {...rest} />
}

export function Input({ className = '', ...rest }: InputHTMLAttributes<HTMLInputElement>) {
  return <input className={`${css['input']} ${className}`} autoComplete="off" spellCheck={false} {...rest} />
}

export function Select({ className = '', ...rest }: SelectHTMLAttributes<HTMLSelectElement>) {
  return <select className={`${css['input']} ${css['select']} ${className}`} {...rest} />
}

/** Code and other text of several lines. */
export function TextArea(rest: TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return <textarea className={css['text']} spellCheck={false} {...rest} />
}

/** A labelled field; `children` gets the id. */
export function Field({ label, hint, children }: { label: string; hint?: ReactNode; children: (id: string) => ReactNode }) {
  const id = useId()
  return (
    <div className={css['field']}>
      <label htmlFor={id}>{label}</label>
      {children(id)}
      {hint !== undefined && <p className={css['hint']}>{hint}</p>}
    </div>
  )
}

export function Check({ label, checked, onChange }: { label: string; checked: boolean; onChange: (checked: boolean) => void }) {
  return (
    <label className={css['check']}>
      <input type="checkbox" checked={checked} onChange={event => onChange(event.target.checked)} />
      {label}
    </label>
  )
}
