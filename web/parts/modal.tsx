import '../modal.css';
import type { ReactNode } from 'react';

export interface ModalProps {
  label: string;
  onClose: () => void;
  children: ReactNode;
}

const show = (dialog: HTMLDialogElement | null): void => {
  if (dialog && !dialog.open) dialog.showModal();
};

/** In front of the view, which gets the focus back. Escape leaves it. */
export function Modal({ label, onClose, children }: ModalProps) {
  return (
    <dialog ref={show} aria-label={label} className="modal" onClose={onClose}>
      {children}
    </dialog>
  );
}
