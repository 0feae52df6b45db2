//! The derive of `squall`: `#[derive(Tuple)]`.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{format_ident, quote};
use syn::{
    Data, DeriveInput, Fields, GenericParam, Ident, LitStr, Path, TypeParam, WhereClause,
    parse_macro_input, parse_quote,
};

/// Makes a struct or enum a tuple that can travel on a stream.
///
/// For each named field of a struct it writes a constant of the field's name in capitals
/// and of the field's visibility, such as `Word::WORD` for `word`, that serves as a key.
/// The type must be `Clone + Debug + Send + 'static`.
///
/// A crate that has the library under another name, or gives it on to its own users, says where it
/// is: `#[tuple(crate = "my_library::squall")]`.
#[proc_macro_derive(Tuple, attributes(tuple))]
pub fn derive_tuple(input: TokenStream) -> TokenStream {
    expand(&parse_macro_input!(input as DeriveInput)).into()
}

fn expand(input: &DeriveInput) -> Tokens {
    let library = match library(input) {
        Ok(library) => library,
        Err(error) => return error.to_compile_error(),
    };
    let name = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    let mut bounds = where_clause.cloned().unwrap_or_else(|| parse_quote!(where));
    if !input.generics.params.is_empty() {
        // A generic tuple is one exactly where its arguments make it one.
        bounds.predicates.push(parse_quote!(
            Self: ::core::clone::Clone + ::core::fmt::Debug + ::core::marker::Send + 'static
        ));
    }

    let named = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => fields.named.iter().collect(),
            Fields::Unnamed(_) | Fields::Unit => Vec::new(),
        },
        Data::Enum(_) => Vec::new(),
        Data::Union(_) => {
            let message = "a union cannot be a tuple: use a struct or an enum";
            return syn::Error::new_spanned(name, message).to_compile_error();
        }
    };
    let idents: Vec<_> = named
        .iter()
        .filter_map(|field| field.ident.as_ref())
        .collect();
    let types: Vec<_> = named.iter().map(|field| &field.ty).collect();
    let visibilities: Vec<_> = named.iter().map(|field| &field.vis).collect();
    let indices: Vec<usize> = (0..idents.len()).collect();
    let texts: Vec<String> = idents.iter().map(|ident| unraw(ident)).collect();
    let constants: Vec<_> = idents
        .iter()
        .zip(&texts)
        .map(|(ident, text)| format_ident!("{}", text.to_uppercase(), span = ident.span()))
        .collect();
    let docs = texts
        .iter()
        .map(|text| format!("The field `{text}` as a key."));
    let message_of_keys = message_of_keys(input, &library, &bounds, &constants);

    // What serde asks of the arguments is not known of a generic type.
    let wire = input.generics.params.is_empty().then(|| {
        quote! {
            fn wire() -> ::core::option::Option<#library::tuple::Wire<Self>> {
                #[allow(unused_imports)]
                use #library::tuple::derived::{BySerde, Missing, Of};
                (&&Of::<Self>::NEW).wire()
            }
        }
    });

    quote! {
        #[automatically_derived]
        impl #impl_generics #library::Tuple for #name #type_generics #bounds {
            const FIELDS: &'static [&'static str] = &[#(#texts),*];
            #wire
        }

        #(
            #[automatically_derived]
            impl #impl_generics #library::tuple::FieldAt<#indices> for #name #type_generics #bounds {
                type Value = #types;
                const NAME: &'static str = #texts;
                fn get(&self) -> &#types {
                    &self.#idents
                }
            }
        )*

        #[automatically_derived]
        #[allow(dead_code)]
        impl #impl_generics #name #type_generics #where_clause {
            #(
                #[doc = #docs]
                #visibilities const #constants: #library::tuple::Field<Self, #indices> =
                    #library::tuple::Field::new();
            )*
        }

        #message_of_keys
    }
}

/// Says that the tuple is itself, by a trait that nothing else implements. Where a stream of the
/// tuple is grouped by a field of another one, the compiler complains of this trait, and only the
/// derive can write the names of the fields into its message.
fn message_of_keys(
    input: &DeriveInput,
    library: &Path,
    bounds: &WhereClause,
    constants: &[Ident],
) -> Tokens {
    let name = &input.ident;
    let marker = format_ident!("FieldsOf{}", name);
    let message = format!("a field of `{{Self}}` is not a key of the tuple `{name}`");
    let label = format!("expected a key of `{name}`");
    let keys: Vec<String> = constants
        .iter()
        .map(|constant| format!("`{name}::{constant}`"))
        .collect();
    let note = match &keys[..] {
        [] => format!("`{name}` has no named field: group by a closure, `by(|t: &{name}| ..)`"),
        [key] => format!(
            "the field of `{name}` is {key}: group by it, or by a closure: \
             `by(|t: &{name}| &t.field)`"
        ),
        keys => format!(
            "the fields of `{name}` are {}: group by one of them, by a pair of them, or by a \
             closure: `by(|t: &{name}| &t.field)`",
            keys.join(", ")
        ),
    };
    let (impl_generics, type_generics, _) = input.generics.split_for_impl();
    let mut generics = input.generics.clone();
    let other: TypeParam = parse_quote!(__Other: #marker<Self>);
    generics.params.push(GenericParam::Type(other));
    let (impl_for_other, _, _) = generics.split_for_impl();

    quote! {
        const _: () = {
            // In a module of its own, where nobody else's `diagnostic` is in scope.
            mod fields {
                #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note)]
                #[allow(unreachable_pub, non_camel_case_types)]
                pub trait #marker<T> {
                    fn itself(tuple: &T) -> &Self;
                }
            }
            use fields::#marker;

            #[automatically_derived]
            impl #impl_generics #marker<Self> for #name #type_generics #bounds {
                #[inline]
                fn itself(tuple: &Self) -> &Self {
                    tuple
                }
            }

            #[automatically_derived]
            impl #impl_for_other #library::tuple::Is<__Other> for #name #type_generics #bounds {
                #[inline]
                fn itself(&self) -> &__Other {
                    <__Other as #marker<Self>>::itself(self)
                }
            }
        };
    }
}

/// The path to the library.
fn library(input: &DeriveInput) -> syn::Result<Path> {
    let mut library = parse_quote!(::squall);
    for attribute in &input.attrs {
        if !attribute.path().is_ident("tuple") {
            continue;
        }
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                let message = "`#[tuple(..)]` knows only `crate = \"path::to::squall\"`";
                return Err(meta.error(message));
            }
            let path: LitStr = meta.value()?.parse()?;
            library = path.parse()?;
            Ok(())
        })?;
    }
    Ok(library)
}

fn unraw(ident: &syn::Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}
