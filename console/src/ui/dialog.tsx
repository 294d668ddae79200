/** Dialogs over a view, and the one that asks for a name before it destroys something. */
import { useMutation } from '@tanstack/react-query'
import { Dialog as Radix } from 'radix-ui'
import { type FormEvent, type ReactNode, useState } from 'react'
import { Button, Field, Input } from './button.tsx'
import css from './dialog.module.css'

interface DialogProps {
  title: string
  /** What opens it. */
  trigger?: ReactNode
  open?: boolean
  onOpenChange?: (open: boolean) => void
  wide?: boolean
  children: ReactNode
}

export function Dialog({ title, trigger, wide = false, children, ...rest }: DialogProps) {
  return (
    <Radix.Root {...rest}>
      {trigger !== undefined && <Radix.Trigger asChild>{trigger}</Radix.Trigger>}
      <Radix.Portal>
        <Radix.Overlay className={css['shade']} />
        <Radix.Content className={`${css['dialog']} ${wide ? css['wide'] : ''}`} aria-describedby={undefined}>
          <header className={css['header']}>
            <Radix.Title className={css['title']}>{title}</Radix.Title>
            <Radix.Close asChild>
              <Button kind="quiet" small aria-label="Close">
                ✕
              </Button>
            </Radix.Close>
          </header>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}

interface FormProps {
  onSubmit: () => Promise<unknown>
  /** Of the button that sends it. */
  action: string
  bad?: boolean
  disabled?: boolean
  /** It was sent, and can be again. */
  done?: boolean
  children: ReactNode
}

/** A form in a dialog; what is refused is said in it. */
export function DialogForm({ onSubmit, action, bad = false, disabled = false, done = false, children }: FormProps) {
  const sending = useMutation({ mutationFn: onSubmit })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    sending.mutate()
  }
  return (
    <form onSubmit={submit} className={css['form']}>
      {children}
      {sending.error !== null && (
        <p role="alert" className={css['error']}>
          {sending.error.message}
        </p>
      )}
      <footer className={css['footer']}>
        <Radix.Close asChild>
          <Button>{done ? 'Done' : 'Cancel'}</Button>
        </Radix.Close>
        <Button type="submit" kind={bad ? 'bad' : 'main'} disabled={disabled || sending.isPending}>
          {action}
        </Button>
      </footer>
    </form>
  )
}

interface ConfirmProps {
  title: string
  /** To be typed. */
  name: string
  action: string
  /** What opens it; otherwise it is open until `onClose`. */
  trigger?: ReactNode
  onClose?: () => void
  /** What will be lost. */
  children: ReactNode
  onConfirm: () => Promise<unknown>
}

export function ConfirmByName({ title, name, action, trigger, onClose, children, onConfirm }: ConfirmProps) {
  const [open, setOpen] = useState(trigger === undefined)
  const [typed, setTyped] = useState('')
  const change = (next: boolean) => {
    setOpen(next)
    setTyped('')
    if (!next) onClose?.()
  }
  const confirm = async () => {
    await onConfirm()
    change(false)
  }
  return (
    <Dialog title={title} trigger={trigger} open={open} onOpenChange={change}>
      <DialogForm onSubmit={confirm} action={action} bad disabled={typed !== name}>
        <div>{children}</div>
        <Field label={`Type ${name} to confirm`}>
          {id => <Input id={id} value={typed} onChange={event => setTyped(event.target.value)} autoFocus />}
        </Field>
      </DialogForm>
    </Dialog>
  )
}
